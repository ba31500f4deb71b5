"""Measures what the product promises; prints one line per figure, `name: value unit`."""
