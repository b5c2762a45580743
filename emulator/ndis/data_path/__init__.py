"""Frames on their way: send, complete, indicate, return, cancel, through the compiled stack of an adapter."""
