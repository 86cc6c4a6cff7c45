CREATE TABLE IF NOT EXISTS tags (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    note_id BIGINT NOT NULL,
    name VARCHAR(50) NOT NULL,
    CONSTRAINT tags_once_for_each_note UNIQUE (note_id, name),
    CONSTRAINT tags_note_exists FOREIGN KEY (note_id) REFERENCES notes (id) ON DELETE CASCADE
);
