"""The command line: ``serve``, ``demo``, ``connect`` and ``doctor``, each in a module of its own."""
