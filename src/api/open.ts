// open(): the usual way in.
import { Database } from './database.ts'
import type { DatabaseOptions } from './database-options.ts'

/**
 * Opens the database in the directory `location`, creating it unless told otherwise.
 *
 * Fails with LEVEL_DATABASE_NOT_OPEN; its `cause` tells why (LEVEL_LOCKED, LEVEL_CORRUPTION, …).
 */
export async function open<K = string, V = string>(
  location: string,
  options?: DatabaseOptions<K, V>,
): Promise<Database<K, V>> {
  const database = new Database<K, V>(location, options)
  await database.open()
  return database
}
