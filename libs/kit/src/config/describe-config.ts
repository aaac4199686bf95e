import { z } from 'zod';
import { fieldsOf, innerOf } from './fields.js';
import { envName, flagName } from './setting-name.js';

/** One row of the reference. */
export interface SettingDescription {
  readonly key: string;
  readonly env: string;
  readonly flag: string;
  readonly type: string;
  readonly description: string;
  readonly unit?: string;
  readonly default?: unknown;
}

/** Lists a schema's settings for `--help` and the reference documentation. */
export function describeConfig(schema: z.ZodObject): SettingDescription[] {
  return fieldsOf(schema).map(([key, field]) => {
    const facts = z.globalRegistry.get(field as z.ZodType) ?? {};
    const { description = '', unit } = facts;
    const fallback = (field as z.ZodType).safeParse(undefined);
    return {
      key,
      env: envName(key),
      flag: flagName(key),
      type: innerOf(field)._zod.def.type,
      description,
      ...(typeof unit === 'string' ? { unit } : {}),
      ...(fallback.success && fallback.data !== undefined ? { default: fallback.data } : {}),
    };
  });
}
