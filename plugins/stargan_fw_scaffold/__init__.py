"""The command `plugins`, for those who write plugins and those who look for one."""
