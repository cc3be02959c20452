"""Train, resume, watch and evaluate agents on any Gymnasium environment.

Importing this package is cheap: torch and Stable-Baselines3 load with the modules that need them.
"""

__version__ = "0.1.0"
