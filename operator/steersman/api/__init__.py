"""The API group steersman.dev: pydantic models of every kind, and the CRDs generated from them."""
