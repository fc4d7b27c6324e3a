"""From the numbers of many networks to what a method does: differences of networks of one seed, with their interval."""
