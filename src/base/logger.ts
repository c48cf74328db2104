// The logger callers may pass; pino's argument order. Silent by default.
import { systemClock } from './clock.ts'

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (_fields: object, _message: string): void => undefined

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The caller's logger, unable to break what logs: what it throws becomes an uncaught exception of its own turn. */
export function guardedLogger(logger: Logger): Logger {
  const guarded =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message)
      } catch (error) {
        systemClock.nextTurn(() => {
          throw error
        })
      }
    }
  return {
    debug: guarded('debug'),
    info: guarded('info'),
    warn: guarded('warn'),
    error: guarded('error'),
  }
}
