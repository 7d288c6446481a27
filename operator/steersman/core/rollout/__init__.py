"""The rollout: from recorded status and observed children to the next status."""
