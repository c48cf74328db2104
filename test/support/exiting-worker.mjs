// A worker file that ends its thread while it loads.
process.exit(5)
