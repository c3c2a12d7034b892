"""Trying many settings: tables of runs, sweeps over grids, searches by Optuna."""
