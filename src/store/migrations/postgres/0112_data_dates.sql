-- Of when a source's data is, where it says so.
ALTER TABLE advisory_sources ADD COLUMN data_of BIGINT;
