import { type z } from 'zod';

/** Keys and schemas of an object schema. */
export function fieldsOf(schema: z.ZodObject): [string, z.core.$ZodType][] {
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return Object.entries(shape);
}

/** The schema below defaults, optionals and the like. */
export function innerOf(field: z.core.$ZodType): z.core.$ZodType {
  const definition = field._zod.def as z.core.$ZodTypeDef & { readonly innerType?: z.core.$ZodType };
  return definition.innerType === undefined ? field : innerOf(definition.innerType);
}

/** Reads text as the type that the field wants; what does not read stays text, for the schema to refuse. */
export function coerceText(field: z.core.$ZodType, text: string): unknown {
  switch (innerOf(field)._zod.def.type) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return BOOLEANS.get(text.trim().toLowerCase()) ?? text;
    case 'array':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    default:
      return text;
  }
}

const BOOLEANS = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['false', false],
  ['0', false],
  ['no', false],
]);
