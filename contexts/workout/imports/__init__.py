"""Files and archives that become sessions."""
