import { type Tx } from './schema.js';

/** Draws the next id, 1, 2, 3…; an id drawn in a transaction that ends well is never drawn again. */
export async function nextId(tx: Tx, name: 'topic' | 'group'): Promise<number> {
  const row = await tx.selectFrom('counter').select('value').where('name', '=', name).executeTakeFirst();
  const value = (row?.value ?? 0) + 1;
  await (row === undefined
    ? tx.insertInto('counter').values({ name, value }).execute()
    : tx.updateTable('counter').set({ value }).where('name', '=', name).execute());
  return value;
}
