// A worker file that cannot be loaded.
throw new Error('broken on purpose')
