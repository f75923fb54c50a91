"""Everyday shell goals with judges of our own, for measuring small local models, and the starter example traces."""
