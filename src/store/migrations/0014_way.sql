-- Which way a person's word came: by a command, or through the page. Words of before have none.
ALTER TABLE approval_events ADD COLUMN way TEXT;
ALTER TABLE stop_events ADD COLUMN way TEXT;
