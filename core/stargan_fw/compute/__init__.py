"""What a machine offers a network: device, precision, layout, compiling."""
