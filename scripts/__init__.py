"""What makes the testbed; nothing here is needed to use the lab."""
