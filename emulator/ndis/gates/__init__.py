"""How a DDI is declared and entered: one declaration, the checked build's gate, what a routine returns."""
