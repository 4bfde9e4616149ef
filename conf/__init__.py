"""What to run: the Hydra configs (`pkg://conf`), and what turns one of them into a finished run."""
