CREATE INDEX note_read_count ON note (read_count);
