"""How fast this machine trains, translates and reads, against its own limits, as the command `bench`."""
