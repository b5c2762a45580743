"""Machines from files and options: every mistake is one line that names file, table and key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from emulator.cli import run
from emulator.cli.configuration import read
from emulator.cli.main import Parser
from emulator.cli.plan import Plan, plan_of
from emulator.rules.errors import EXIT_USAGE, ConfigurationError
from tests.cli.command import ROOT

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

GOOD = """
[machine]
name = "lab"
processors = 2
passive_workers = 3
checked = false
duration = 1.5

[[driver]]
kind = "miniport"
module = "sample_drivers.netvmini"

[[driver]]
kind = "protocol"
path = "mine.py"
[driver.registry]
Speed = 7

[[adapter]]
name = "left"
wire = "tap:left0"
address = "10.1.0.1/24"
mac = "02:00:00:00:00:07"

[[adapter]]
wire = "cable"
address = "10.2.0.1/24"

[watchdog]
cpu_ms = 500

[registry]
Colour = "blue"
"""


def options(*arguments: str) -> argparse.Namespace:
    parser = Parser("ndisemu run")
    run.add_options(parser)
    return parser.parse_args(arguments)


def planned(*arguments: str) -> Plan:
    return plan_of(options(*arguments))


def test_a_driver_in_the_place_of_a_file_is_told_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def DriverEntry(DriverObject, RegistryPath): ...\n", encoding="utf-8")
    assert refused(str(path)).endswith("; a driver is named with --miniport, --filter or --protocol")


def refused(*arguments: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        planned(*arguments)
    assert raised.value.exit_code == EXIT_USAGE
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text("", encoding="utf-8")
    path = tmp_path / "lab.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_whole_file(file: Path) -> None:
    plan = planned(str(file))
    specification = plan.specification
    assert plan.duration == 1.5
    assert (specification.name, specification.geometry.processors, specification.geometry.passive_workers) == (
        "lab",
        2,
        3,
    )
    assert not specification.geometry.checked
    assert [driver.module or driver.path for driver in specification.drivers] == [
        "sample_drivers.netvmini",
        str(file.with_name("mine.py")),
    ]
    assert specification.drivers[1].registry == {"Speed": 7}
    assert [adapter.wire.name for adapter in specification.adapters] == ["tap:left0", "cable"]
    assert specification.adapters[0].mac == "02:00:00:00:00:07"
    assert specification.watchdog.cpu_ms == 500
    assert specification.paths == [str(file.parent)]
    assert specification.registry == {"Colour": "blue", "Address": "10.1.0.1/24"}
    assert specification.adapters[0].registry == {}
    assert specification.adapters[1].registry == {"Address": "10.2.0.1/24"}
    specification.prepared()


def test_each_adapter_has_its_queues_and_the_option_has_them_all(file: Path) -> None:
    file.write_text(
        GOOD.replace('[[adapter]]\nname = "left"', '[[adapter]]\nname = "left"\nqueues = 4'), encoding="utf-8"
    )
    specification = planned(str(file)).specification
    assert [adapter.queues for adapter in specification.adapters] == [4, 1]
    assert specification.prepared().geometry.hardware_queues == 4
    assert [adapter.queues for adapter in planned(str(file), "--queues", "2").specification.adapters] == [2, 2]
    assert [adapter.messages for adapter in planned(str(file), "--queues", "2").specification.adapters] == [2, 2]


def test_options_take_the_place_of_what_the_file_says(file: Path) -> None:
    plan = planned(str(file), "--checked", "--processors", "1", "--duration", "9", "--registry", "Colour=12", "--debug")
    assert plan.duration == 9
    assert plan.specification.geometry.checked
    assert plan.specification.geometry.processors == 1
    assert plan.specification.registry["Colour"] == 12
    assert plan.specification.debug
    wires = planned(str(file), "--wire", "cable", "--wire", "cable").specification.adapters
    assert [adapter.wire.name for adapter in wires] == ["cable", "cable"]


def test_an_address_that_is_given_is_not_replaced(file: Path) -> None:
    assert planned(str(file), "--registry", "Address=1.2.3.4/8").specification.registry["Address"] == "1.2.3.4/8"


def test_a_name_of_no_module_is_told_before_anything_starts() -> None:
    assert refused("--miniport", "netvmin") == "driver netvmin: there is no such module; did you mean netvmini?"
    assert refused("--miniport", "xyzzy") == (
        "driver xyzzy: there is no such module; a file is named by its path: ./xyzzy.py"
    )


def test_options_alone() -> None:
    specification = planned(
        "--miniport", "netvmini", "--protocol", "hello", "--wire", "tap:ndis0", "--address", "10.77.0.1/24"
    ).specification
    assert [driver.module for driver in specification.drivers] == ["sample_drivers.netvmini", "sample_drivers.hello"]
    assert [adapter.wire.name for adapter in specification.adapters] == ["tap:ndis0"]
    assert specification.registry == {"Address": "10.77.0.1/24"}
    assert not specification.adapters[0].offloads
    specification = planned("--miniport", "netvmini", "--wire", "tap:a", "--wire", "tap:b", "--offloads").specification
    assert [adapter.offloads for adapter in specification.prepared().adapters] == [True, True]


def test_filters_keep_their_order_the_topmost_first(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    tables = "".join(f'[[driver]]\nkind = "{kind}"\nmodule = "a.{kind}"\n' for kind in ("miniport", "filter"))
    path.write_text(f"{tables}[[adapter]]\n", encoding="utf-8")
    assert [driver.kind for driver in planned(str(path)).specification.drivers] == ["miniport", "filter"]
    given = ("--protocol", "hello", "--filter", "ndislwf", "--filter", "a.below", "--miniport", "netvmini")
    filters = [driver.module for driver in planned(*given).specification.drivers if driver.kind == "filter"]
    assert filters == ["sample_drivers.ndislwf", "a.below"]


def test_addresses_of_both_versions_reach_the_drivers() -> None:
    specification = planned("--miniport", "netvmini", "--address", "10.77.0.1/24, fd00:77::1/64").specification
    assert specification.registry == {"Address": "10.77.0.1/24,fd00:77::1/64"}
    assert specification.adapters[0].wire.address == "10.77.0.1/24,fd00:77::1/64"
    assert specification.adapters[0].registry == {}


def test_captures_faults_and_files_are_found_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(
        '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n'
        '[[adapter]]\nwire = "pcap:in.pcap,out=out.pcapng,loop=2"\ncapture = "first.pcapng"\n'
        'faults = "loss=1%,seed=2"\n'
        '[[adapter]]\ncapture = "/second.pcapng"\n[adapter.faults]\nseed = 7\n[adapter.faults.in]\ndelay = "2ms"\n',
        encoding="utf-8",
    )
    first, second = planned(str(path)).specification.adapters
    assert (first.wire.file, first.wire.out, first.wire.loop) == (f"{tmp_path}/in.pcap", f"{tmp_path}/out.pcapng", 2)
    assert (first.capture, second.capture) == (f"{tmp_path}/first.pcapng", "/second.pcapng")
    assert (first.faults.incoming.loss, first.faults.outgoing.loss, first.faults.seed) == (0.01, 0.01, 2)
    assert (second.faults.incoming.delay, second.faults.outgoing.delay, second.faults.seed) == (2_000_000, 0, 7)
    twice = ("--capture", "x", "--capture", "x")
    assert "the capture" in refused(str(path), *twice)
    assert "is named twice" in refused(str(path), *twice)


def test_two_replays_may_answer_for_one_address() -> None:
    once = ("--wire", "pcap:a.pcap", "--address", "10.77.0.1/24")
    adapters = planned("--miniport", "a.b", *once, *once).specification.adapters
    assert [adapter.wire.address for adapter in adapters] == ["10.77.0.1/24"] * 2


def test_captures_and_faults_of_the_options() -> None:
    options = ("--miniport", "a.b", "--capture", "x.pcapng", "--faults", "out.loss=0.5")
    (adapter,) = planned(*options).specification.adapters
    assert adapter.capture == os.path.abspath("x.pcapng")
    assert (adapter.faults.incoming.any, adapter.faults.outgoing.loss) == (False, 0.5)
    assert "2 captures for 1 adapters" in refused(*options, "--capture", "y")
    assert "faults 'loss': 'loss' is not KEY=VALUE" in refused("--miniport", "a.b", "--faults", "loss")


def test_each_miniport_runs_an_adapter_of_its_own() -> None:
    adapters = planned("--miniport", "a.b", "--miniport", "c.d", "--wire", "tap:x0").specification.adapters
    assert [(adapter.miniport, adapter.wire.name) for adapter in adapters] == [("b", "tap:x0"), ("d", "cable")]
    adapters = planned("--miniport", "a.b", "--wire", "tap:x0", "--wire", "tap:x1").specification.adapters
    assert [(adapter.miniport, adapter.wire.name) for adapter in adapters] == [("", "tap:x0"), ("", "tap:x1")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[machne]\n", "unknown table machne; did you mean machine?"),
        ("[machine]\nprocesors = 1\n", "[machine]: unknown key procesors; did you mean processors?"),
        ('[machine]\nprocessors = "a"\n', "[machine], key processors: expected a whole number, got text"),
        ("[machine]\nprocessors = 0\n", "[machine], key processors: expected a whole number >= 1"),
        ("[machine]\npassive_workers = 17\n", "[machine], key passive_workers: expected a whole number <= 16"),
        ("[machine]\nduration = -1\n", "[machine], key duration: expected a number >= 0.0"),
        ("[machine]\nchecked = 1\n", "[machine], key checked: expected true or false, got a whole number"),
        (
            '[machine]\nsplit_frames = "some"\n',
            "[machine], key split_frames: 'some' is none of off, sample, allowed, anywhere",
        ),
        ("[machine\n", "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 9)"),
        ('[[driver]]\nmodule = "x"\n', "[[driver]] number 1: the key kind is missing"),
        (
            '[[driver]]\nkind = "filtre"\n',
            "[[driver]] number 1, key kind: 'filtre' is none of miniport, protocol, filter, intermediate",
        ),
        ('[driver]\nkind = "miniport"\n', "[driver]: is a list of tables; write [[driver]]"),
        ("[[adapter]]\n[[adapter]]\nmtu = true\n", "[[adapter]] number 2, key mtu: expected a whole number, got true"),
        ('[[adapter]]\nmac = "x"\n', "[[adapter]] number 1, key mac: expected an address like 02:00:00:00:00:01"),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\n[adapter.faults]\nlost = 1\n',
            "[[adapter]] number 1: faults: unknown fault 'lost'; there are loss, corrupt, duplicate, reorder, delay, "
            "each also with 'in.' or 'out.' before it, and seed",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\nfaults = "loss=2"\n',
            "[[adapter]] number 1: faults 'loss=2': loss=2: expected a part of all frames, 0 to 1 (or 0% to 100%)",
        ),
        ("[[adapter]]\nfaults = 1\n", "[[adapter]] number 1, key faults: expected text or a table, got a whole number"),
        ("[registry]\na = 1.5\n", "[registry], key a: expected a whole number or text, got a number"),
        (
            '[[driver]]\nkind = "miniport"\n[driver.registry]\nx = []\n',
            "[driver.registry] of [[driver]] number 1, key x: expected a whole number or text, got a list",
        ),
        ("[watchdog]\ncpu_ms = 0\n", "[watchdog], key cpu_ms: expected a whole number >= 1"),
        ("", "no [[driver]]"),
        ('[[driver]]\nkind = "miniport"\n', "[[driver]] number 1: it has either a module or a path"),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[driver]]\nkind = "protocol"\nmodule = "a.b"\n',
            "the driver b is named twice: [[driver]] number 1 (miniport a.b) and [[driver]] number 2 (protocol a.b)",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[driver]]\nkind = "protocol"\nmodule = "c.b"\n',
            "the driver b is named twice: [[driver]] number 1 (miniport a.b) and [[driver]] number 2 (protocol c.b)",
        ),
        (
            '[[driver]]\nkind = "protocol"\nmodule = "a.b"\n[[adapter]]\n',
            "[[adapter]] number 1 has no miniport driver",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\nminiport = "c"\n',
            "[[adapter]] number 1: no miniport c; there are b",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\nlink_speed = 1500\n',
            "[[adapter]] number 1: link_speed = 1500: expected a whole number of megabits a second, in bits",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\nname = "adapter1"\n[[adapter]]\n',
            "the adapter adapter1 is named twice: [[adapter]] number 1 and [[adapter]] number 2, by default",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\nadapters = ["lan"]\n[[adapter]]\n',
            "[[driver]] number 1, key adapters: is for what is bound to adapters; a miniport is named by its adapters",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[driver]]\nkind = "protocol"\nmodule = "c.d"\n'
            'adapters = ["adapter*", "lan"]\n[[adapter]]\n',
            "[[driver]] number 2, key adapters: no adapter is called lan; there are adapter0",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n[[adapter]]\nwire = "tun:x"\n',
            "[[adapter]] number 1: wire 'tun:x': unknown kind 'tun'; there are 'tap:NAME', 'cable' and 'pcap:FILE'",
        ),
        (
            '[[driver]]\nkind = "miniport"\nmodule = "a.b"\n' + '[[adapter]]\nwire = "tap:x"\n' * 2,
            "the wire tap:x is named twice: [[adapter]] number 1 and [[adapter]] number 2",
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(text, encoding="utf-8")
    line = refused(str(path))
    assert line.startswith(f"{path}: ")
    assert told in line


TWICE = ("--address", "10.0.0.1/8,fd00::1/64", "--address", "fd00::1/64")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing to run: name a file, or drivers: --miniport netvmini --protocol responder"),
        (("nowhere.toml",), "nowhere.toml: cannot be read: No such file or directory"),
        (("--miniport", "./nowhere.py"), "nowhere.py: there is no such file"),
        (("--miniport", "a b"), "driver 'a b': is no name of a module"),
        (("--miniport", "a.b", "--wire", "tap:"), "the interface's name is missing"),
        (("--miniport", "a.b", "--address", "10.0.0.1"), "the prefix is missing; write for example '10.77.0.1/24'"),
        (("--miniport", "a.b", "--address", "x"), "address 'x'"),
        (("--miniport", "a.b", "--address", "fd00::1"), "the prefix is missing"),
        (
            ("--miniport", "a.b", "--address", "10.0.0.1/8,10.0.0.2/8"),
            "more than one of IPv4; an adapter has one of each",
        ),
        (
            ("--miniport", "a.b", "--wire", "tap:x", "--wire", "tap:y", *TWICE),
            "the address fd00::1/64 is named twice: adapter number 1 and adapter number 2",
        ),
        (
            ("--miniport", "a.b", "--protocol", "c.d", "--protocol", "e.d"),
            "the driver d is named twice: --protocol c.d and --protocol e.d",
        ),
        (("--wire", "cable"), "--wire needs a --miniport"),
        (("--miniport", "a.b", "--address", "10.0.0.1/8", "--address", "10.0.0.2/8"), "2 addresses for 1 adapters"),
        (("--miniport", "a.b", "--registry", "x"), "--registry x: write KEY=VALUE"),
        (("--miniport", "a.b", "--duration", "nan"), "nan is no number of seconds"),
        (("--miniport", "a.b", "--duration", "soon"), "soon is no number of seconds"),
        (("--miniport", "a.b", "--interval", "0"), "too short"),
        (("--checked", "--free"), "not allowed with"),
        (("--what",), "unrecognized arguments: --what"),
    ],
)
def test_a_mistake_in_the_options_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    assert told in refused(*arguments)


def test_a_file_and_drivers_exclude_each_other(file: Path) -> None:
    assert "exclude each other" in refused(str(file), "--miniport", "a.b")
    assert "--wire is given for 1 adapters" in refused(str(file), "--wire", "cable")


def test_every_key_is_documented_and_the_example_can_be_read(tmp_path: Path) -> None:
    from emulator.cli import configuration

    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    tables = (
        configuration.MachineTable,
        configuration.DriverTable,
        configuration.AdapterTable,
        configuration.WatchdogTable,
    )
    missing = [key for table in tables for key in table.__struct_fields__ if f"`{key}`" not in text]
    assert missing == []
    example = tmp_path / "example.toml"
    example.write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert len(read(str(example)).driver) == 2


def test_frames_are_cut_where_the_file_or_an_option_says_so(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(
        '[machine]\nsplit_frames = "allowed"\nsplit_seed = 7\n[[driver]]\nkind = "miniport"\nmodule = "netvmini"\n'
        '[[adapter]]\nwire = "cable"\n',
        encoding="utf-8",
    )
    geometry = planned(str(path)).specification.geometry
    assert (geometry.split_frames, geometry.split_seed) == ("allowed", 7)
    geometry = planned(str(path), "--split-frames", "anywhere", "--split-seed", "8").specification.geometry
    assert (geometry.split_frames, geometry.split_seed) == ("anywhere", 8)
    for options, mode in (((), "sample"), (("--free",), "off"), (("--split-frames", "off"), "off")):
        assert planned("--miniport", "netvmini", *options).specification.geometry.split_frames == mode
    for mode in ("sample", "allowed"):
        with pytest.raises(ConfigurationError, match="split_frames is for the checked build"):
            planned("--miniport", "netvmini", "--free", "--split-frames", mode)
    with pytest.raises(ConfigurationError, match="split_frames is for the checked build"):
        planned(str(path), "--free")
