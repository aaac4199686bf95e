/** How many rows of these sizes a page of so many bytes holds: at least the first. */
export function fittingRows(sizes: readonly number[], maxBytes: number): number {
  let bytes = 0;
  const end = sizes.findIndex((size, index) => {
    bytes += size;
    return bytes > maxBytes && index > 0;
  });
  return end < 0 ? sizes.length : end;
}
