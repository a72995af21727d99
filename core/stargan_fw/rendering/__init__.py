"""Pictures, sheets and figures."""
