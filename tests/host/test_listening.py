"""A socket with a name: who has one is not disturbed, what is dead is taken over, and only one's own is removed."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from emulator.host.listening import Listening, lives, remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path


def dead(path: Path) -> None:
    """What a killed process leaves."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(path))


def test_a_name_is_its_user_s_alone_and_goes_with_the_socket(tmp_path: Path) -> None:
    listening = Listening(tmp_path / "x", "x", 1)
    assert stat.S_IMODE(os.stat(listening.path).st_mode) == 0o600
    listening.close()
    listening.close()
    assert list(tmp_path.iterdir()) == []


def test_whoever_listens_does_not_notice_that_he_is_looked_for(tmp_path: Path) -> None:
    listening = Listening(tmp_path / "x", "x", 1)
    assert lives(listening.path)
    with pytest.raises(OSError, match="somebody listens there already") as refused:
        Listening(listening.path, "x", 1)
    assert refused.value.errno == errno.EADDRINUSE
    assert listening.accept() is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(listening.path))
        accepted = listening.accept()
        assert accepted is not None
        accepted.close()
    listening.close()
    assert not lives(listening.path)


def test_a_dead_name_is_taken_over_and_a_file_is_not(tmp_path: Path) -> None:
    dead(tmp_path / "x")
    Listening(tmp_path / "x", "x", 1).close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="in use"):
        Listening(tmp_path / "file", "file", 1)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_another_s_by_now_is_left_alone(tmp_path: Path) -> None:
    first = Listening(tmp_path / "x", "x", 1)
    os.unlink(first.path)
    second = Listening(tmp_path / "x", "x", 1)
    first.close()
    assert lives(second.path)
    second.close()


def test_a_folder_with_nothing_but_dead_names_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "devices"
    remove_leftovers(folder)
    folder.mkdir()
    remove_leftovers(folder)
    assert folder.is_dir()  # somebody has made it for us
    dead(folder / "a")
    listening = Listening(folder / "b", "b", 1)
    remove_leftovers(folder)
    assert len(list(folder.iterdir())) == 2
    listening.close()
    (folder / "file").touch()
    remove_leftovers(folder)
    assert len(list(folder.iterdir())) == 2
    (folder / "file").unlink()
    remove_leftovers(folder)
    assert not folder.exists()
