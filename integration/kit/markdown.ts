// Tables of the pages that tests write and read.

/** The cells of every row, heads and rule among them. */
export function tableRows(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim()),
    )
}
