// Scripts and styles that every report carries inside itself. In the package they lie beside this file, put there by
// copy-assets.mjs; run from source, those of uPlot come from its own package.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Assets {
  readonly styles: string
  readonly script: string
  readonly plotStyles: string
  readonly plotScript: string
  /** Its notice must go wherever its code goes. */
  readonly plotLicence: string
}

export function readAssets(): Assets {
  const own = fileURLToPath(new URL('./assets/', import.meta.url))
  const copied = existsSync(join(own, 'uplot.js'))
  const plot = copied
    ? undefined
    : dirname(createRequire(import.meta.url).resolve('uplot/package.json'))
  const read = (name: string, original: string): string =>
    readFileSync(plot === undefined ? join(own, name) : join(plot, original), 'utf8')
  return {
    styles: readFileSync(join(own, 'report.css'), 'utf8'),
    script: readFileSync(join(own, 'charts.js'), 'utf8'),
    plotStyles: read('uplot.css', 'dist/uPlot.min.css'),
    plotScript: read('uplot.js', 'dist/uPlot.iife.min.js'),
    plotLicence: read('uplot-licence.txt', 'LICENSE'),
  }
}
