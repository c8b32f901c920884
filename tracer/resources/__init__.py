"""Resources that come with rhscheck, each running a real application."""
