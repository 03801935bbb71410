//! A server that publishes revocation lists the way J-LIS's stand-in does, and misbehaves as told.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Data},
};
use serde_json::{Value, json};
use warikan_simulator::{Publication, PublishedCrl};

/// What a path answers.
#[derive(Debug, Clone)]
pub enum Answer {
    Body(Vec<u8>),
    Status(u16),
    Redirect(String),
}

#[derive(Default)]
struct State {
    files: HashMap<String, Answer>,
    index: Vec<Value>,
    requests: Vec<String>,
    /// Whether bodies carry an ETag and conditions are heeded (RFC 9110 13.1.2).
    validators: bool,
    answered: Vec<u16>,
}

pub struct Jlis {
    /// `http://127.0.0.1:<port>`
    pub base: String,
    state: Arc<Mutex<State>>,
}

/// The path of a list.
pub fn path(crl: &PublishedCrl) -> String {
    let (ca, generation, partition) = (crl.choice.as_str(), crl.generation, &crl.partition);
    format!("/jlis/crl/{ca}/{generation}/{partition}.crl")
}

impl Jlis {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let data = Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        tokio::spawn(server);
        Self { base, state }
    }

    pub fn index_url(&self) -> String {
        format!("{}/jlis/crl/index", self.base)
    }

    /// Lays lists ready and names them in the index; those of another publication under other paths go.
    pub fn publish(&self, publication: &Publication) {
        let mut state = self.lock();
        state.index.clear();
        for crl in &publication.crls {
            let url = path(crl);
            state.index.push(json!({"ca": crl.choice.as_str(), "generation": crl.generation, "partition": crl.partition,
                "number": crl.number.to_string(), "url": url, "sha256": hex::encode(warikan_pki::sha256(&crl.der))}));
            state.files.insert(url, Answer::Body(crl.der.clone()));
        }
    }

    /// Lets a path answer something else.
    pub fn set(&self, path: &str, answer: Answer) {
        self.lock().files.insert(path.to_owned(), answer);
    }

    /// Takes a list out of the index.
    pub fn unlist(&self, path: &str) {
        self.lock().index.retain(|entry| entry["url"] != path);
    }

    /// Adds to the index.
    pub fn list(&self, entry: Value) {
        self.lock().index.push(entry);
    }

    /// Puts an entry before all others.
    pub fn list_first(&self, entry: Value) {
        self.lock().index.insert(0, entry);
    }

    /// From here on bodies carry an ETag, and conditions are heeded.
    pub fn with_validators(&self) {
        self.lock().validators = true;
    }

    /// What requests were answered since the last call.
    pub fn answered(&self) -> Vec<u16> {
        std::mem::take(&mut self.lock().answered)
    }

    /// Leaves the index's hashes out, so that everything is fetched.
    pub fn without_hashes(&self) {
        for entry in &mut self.lock().index {
            entry["sha256"] = Value::Null;
        }
    }

    /// Paths asked for since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(request: HttpRequest, state: Data<Mutex<State>>) -> HttpResponse {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let path = request.path().to_owned();
    state.requests.push(path.clone());
    let body = match state.files.get(&path) {
        Some(Answer::Body(octets)) => octets.clone(),
        Some(Answer::Status(status)) => {
            return HttpResponse::build(StatusCode::from_u16(*status).unwrap()).finish();
        }
        Some(Answer::Redirect(to)) => {
            return HttpResponse::Found()
                .insert_header(("Location", to.clone()))
                .finish();
        }
        None if path == "/jlis/crl/index" => json!({"lists": state.index}).to_string().into_bytes(),
        None => return HttpResponse::NotFound().finish(),
    };
    if !state.validators {
        return HttpResponse::Ok().body(body);
    }
    let etag = format!("\"{}\"", hex::encode(warikan_pki::sha256(&body)));
    let known = request.headers().get("If-None-Match");
    if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        state.answered.push(304);
        return HttpResponse::NotModified().finish();
    }
    state.answered.push(200);
    HttpResponse::Ok().insert_header(("ETag", etag)).body(body)
}
