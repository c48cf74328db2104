// Where the worker files lie. The only place that knows sources run from src/ (by a test runner, next to a
// finished dist/) or from dist/src/: a thread cannot load TypeScript on Node 20.

export type WorkerFile = 'background' | 'sync'

export function workerUrl(file: WorkerFile, from: string = import.meta.url): URL {
  const folder = from.endsWith('.ts') ? '../../dist/workers/' : '../../workers/'
  return new URL(`${folder}${file}.js`, from)
}
