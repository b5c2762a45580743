"""OID requests down a stack and status indications up."""
