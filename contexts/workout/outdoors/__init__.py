"""Where sessions went: tracks, routes, segments and their efforts, heat maps."""
