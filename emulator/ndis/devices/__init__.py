"""Device objects and IRPs: what programs of users reach a driver by."""
