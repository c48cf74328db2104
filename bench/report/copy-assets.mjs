// Puts what reports are made of beside the compiled code: the report's own scripts and styles, and uPlot with its
// licence, so that the package needs no uPlot at run time. Part of `npm run build`.
import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const own = new URL('./assets/', import.meta.url)
const plot = new URL('../../node_modules/uplot/', import.meta.url)
const target = new URL('../../dist/bench/report/assets/', import.meta.url)

const FILES = [
  [own, 'report.css', 'report.css'],
  [own, 'charts.js', 'charts.js'],
  [plot, 'dist/uPlot.min.css', 'uplot.css'],
  [plot, 'dist/uPlot.iife.min.js', 'uplot.js'],
  [plot, 'LICENSE', 'uplot-licence.txt'],
]

mkdirSync(target, { recursive: true })
for (const [from, name, copy] of FILES) {
  copyFileSync(fileURLToPath(new URL(name, from)), fileURLToPath(new URL(copy, target)))
}
