"""Devices that exist only in this process: bodies, kinds of devices which measure them, and GATT peripherals."""
