"""The driver-facing surface: the DDI under Microsoft's names, one module for each group of the documentation."""
