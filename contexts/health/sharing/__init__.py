"""Who else may look at somebody's measurements, for what, until when: by grant, or in an emergency."""
