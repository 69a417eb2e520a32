-- The least that each kind of user needs. Run it once, as the owner of the tables, after db-init:
--     psql --dbname results --file docs/roles.sql
-- Then, for each person or machine:
--     CREATE ROLE ada LOGIN PASSWORD '...' IN ROLE ml_agents_writer;
CREATE ROLE ml_agents_writer NOLOGIN;
CREATE ROLE ml_agents_reader NOLOGIN;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ml_agents_writer, ml_agents_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ml_agents_writer, ml_agents_reader;

-- Records, resumes, imports, scores and grades, but deletes no runs and changes no table. Whoever
-- takes a grade back deletes a score.
GRANT INSERT, UPDATE ON experiments, runs, parsing_metrics, metrics, scores, claims, score_claims,
    queues, queue_items TO ml_agents_writer;
GRANT DELETE ON scores, claims, score_claims, queues, queue_items TO ml_agents_writer;
GRANT USAGE ON SEQUENCE parsing_metrics_id_seq, metrics_id_seq, queues_id_seq TO ml_agents_writer;

-- Lists, analyses, compares and exports.
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT ON TABLES TO ml_agents_reader, ml_agents_writer;
