"""The Windows cluster.log (2008 and later): how its lines begin and what stands around them."""
