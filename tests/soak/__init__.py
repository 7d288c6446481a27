"""The soak: constant load through the gateway while rollouts come and go and the operator is killed. See README.md."""
