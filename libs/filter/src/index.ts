export { type Filter, FilterError, type FilterSubject } from './filter.js';
export { parseFilter } from './parse-filter.js';
