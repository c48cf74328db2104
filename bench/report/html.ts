// Markup as a template: everything put into it is escaped unless it is markup itself, so that no name or version from a
// record can become part of the page. Attributes are always written with double quotes.

export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Content = Markup | string | number | undefined | readonly Content[]

const ESCAPES: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!)
}

function textOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.text
  if (typeof content === 'string' || typeof content === 'number') return escapeHtml(String(content))
  return content.map(textOf).join('')
}

export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = parts[0]!
  contents.forEach((content, at) => {
    text += textOf(content) + parts[at + 1]!
  })
  return new Markup(text)
}

/** Data for the scripts of the page; no `<` in it, so nothing ends the element early. */
export function dataElement(id: string, data: unknown): Markup {
  const json = JSON.stringify(data).replaceAll('<', '\\u003c')
  return new Markup(`<script type="application/json" id="${escapeHtml(id)}">${json}</script>`)
}

export interface TableOptions {
  /** `words`: cells are text, not figures. Default: figures. */
  readonly cells?: 'figures' | 'words'
}

/** A table that scrolls inside its box; the first column names the row. */
export function dataTable(
  caption: string,
  head: readonly Content[],
  rows: readonly (readonly Content[])[],
  { cells = 'figures' }: TableOptions = {},
): Markup {
  const body = rows.map(
    ([first, ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>\n`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
<table class="data ${cells}"><caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>
${body}</tbody></table></div>`
}
