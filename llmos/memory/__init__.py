"""The record: every byte that llmos keeps on disk goes through this package."""
