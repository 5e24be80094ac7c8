"""The pocket testbed's workshop: writes the two domains and trains the models that answer in them."""
