"""Completed sessions as they are read: whose they are, who may see them, what stands behind them, what they hold."""
