"""What tests of drivers are made of: the pytest plug-in, its fixtures, and the checks for what is left behind."""
