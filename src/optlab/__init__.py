"""optlab: which optimizer, at which learning rate, for this network on this data, and is the difference real?"""
