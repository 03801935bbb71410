//! The draft of a filing (届出, 法17条1項): what the operator notifies J-LIS of for a tenant, made from what is recorded.
//!
//! A draft and no form: how J-LIS lays out its own is not public. It says everything that the record has, and names what is missing,
//! so that whoever fills in the form copies and looks nothing up.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_types::{TenantId, Timestamp};

use crate::{
    config::Filer,
    particulars::Particulars,
    tenant::{ChecklistItem, TenantKind},
    tenant_life::today,
    tenant_view::{ChecklistView, TenantView},
};

/// A filing's draft.
#[derive(Serialize, ToSchema)]
pub(crate) struct FilingDraft {
    tenant: TenantId,
    /// What it is called: 署名検証者の届出（案）, or that of an association.
    title: &'static str,
    /// By which articles.
    legal_basis: &'static str,
    /// To whom.
    addressee: &'static str,
    /// The day it was drafted, in Japan.
    drafted_on: String,
    /// The operator, who files; `null` until `onboarding.filer` is configured.
    filer: Option<Filer>,
    /// The tenant's legal name.
    name: String,
    kind: TenantKind,
    particulars: Option<Particulars>,
    /// What stands of the checklist beside the filing itself.
    documents: Vec<ChecklistView>,
    /// What is missing before it can be filed: `filer`, `particulars`, `members`, or an item of the checklist.
    missing: Vec<&'static str>,
}

impl FilingDraft {
    pub(crate) fn of(tenant: TenantView, filer: Option<Filer>, now: Timestamp) -> Self {
        let (title, legal_basis) = match tenant.kind {
            TenantKind::Business => (
                "署名検証者の届出（案）",
                "電子署名等に係る地方公共団体情報システム機構の認証業務に関する法律第17条第1項、同施行規則第29条第1項",
            ),
            TenantKind::Association => (
                "団体署名検証者の届出（案）",
                "電子署名等に係る地方公共団体情報システム機構の認証業務に関する法律第17条第1項及び第5項、同施行規則第29条第1項",
            ),
        };
        let mut missing = Vec::new();
        if filer.is_none() {
            missing.push("filer");
        }
        match &tenant.particulars {
            None => missing.push("particulars"),
            Some(particulars)
                if tenant.kind == TenantKind::Association && particulars.members.is_empty() =>
            {
                missing.push("members");
            }
            Some(_) => {}
        }
        // The agreement follows on the filing.
        let before = [
            ChecklistItem::DelegationContract,
            ChecklistItem::DisqualificationCheck,
        ];
        let open = before.iter().filter(|item| tenant.missing.contains(item));
        missing.extend(open.map(|item| item.as_str()));
        Self {
            tenant: tenant.id,
            title,
            legal_basis,
            addressee: "地方公共団体情報システム機構",
            drafted_on: today(now).to_string(),
            filer,
            name: tenant.name,
            kind: tenant.kind,
            particulars: tenant.particulars,
            documents: tenant
                .checklist
                .into_iter()
                .filter(|view| before.contains(&view.item))
                .collect(),
            missing,
        }
    }

    /// One page to be printed, complete in itself.
    pub(crate) fn html(&self) -> String {
        let mut rows = String::new();
        let mut row = |name: &str, value: &str| {
            let value = if value.is_empty() {
                "（未記入）"
            } else {
                value
            };
            rows.push_str(&format!(
                "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n",
                escaped(value)
            ));
        };
        let filer = |field: fn(&Filer) -> &str| self.filer.as_ref().map_or("", field).to_owned();
        row(
            "届出者（プラットフォーム事業者）",
            &filer(|filer| filer.name.as_str()),
        );
        row("届出者の所在地", &filer(|filer| filer.address.as_str()));
        row(
            "届出者の代表者",
            &filer(|filer| filer.representative.as_str()),
        );
        row("認定", &filer(|filer| filer.certification.as_str()));
        row("署名検証者の名称", &self.name);
        let none = || (String::new(), String::new(), String::new(), String::new());
        let (address, representative, number, purposes) =
            self.particulars.as_ref().map_or_else(none, |known| {
                (
                    known.address.clone(),
                    known.representative.clone(),
                    known.corporate_number.clone().unwrap_or_default(),
                    known.purposes.join("、"),
                )
            });
        row("主たる事務所の所在地", &address);
        row("代表者", &representative);
        row("法人番号", &number);
        row("署名検証業務の内容", &purposes);
        if let Some(known) = &self.particulars {
            if let Some(basis) = &known.association_basis {
                row("団体であることの根拠", basis);
            }
            if let Some(contact) = &known.contact {
                row("連絡先", contact);
            }
        }
        for document in &self.documents {
            let name = match document.item {
                ChecklistItem::DelegationContract => "全部委託契約",
                ChecklistItem::DisqualificationCheck => "欠格事由の確認",
                ChecklistItem::Filing | ChecklistItem::Agreement => continue,
            };
            row(name, &format!("{}（{}）", document.evidence, document.date));
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}　{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <p class=\"date\">{date}</p>\n<p>{addressee}　御中</p>\n<h1>{title}</h1>\n<p>{basis}により、次のとおり届け出ます。</p>\n\
             <table>\n{rows}</table>\n{members}{missing}</body>\n</html>\n",
            title = escaped(self.title),
            name = escaped(&self.name),
            date = escaped(&self.drafted_on),
            addressee = escaped(self.addressee),
            basis = escaped(self.legal_basis),
            members = self.members_html(),
            missing = self.missing_html(),
        )
    }

    fn members_html(&self) -> String {
        let members = self.particulars.as_ref().map(|known| &known.members);
        let Some(members) = members.filter(|members| !members.is_empty()) else {
            return String::new();
        };
        let mut rows = String::new();
        for (place, member) in members.iter().enumerate() {
            let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or_default());
            rows.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                place + 1,
                escaped(&member.name),
                text(&member.address),
                text(&member.number)
            ));
        }
        format!(
            "<h2>構成員（{}）</h2>\n<table>\n<tr><th>番号</th><th>名称</th><th>所在地</th><th>会員番号</th></tr>\n{rows}</table>\n",
            members.len()
        )
    }

    fn missing_html(&self) -> String {
        if self.missing.is_empty() {
            return String::new();
        }
        let words: Vec<&str> = self.missing.iter().map(|one| missing_word(one)).collect();
        format!(
            "<p class=\"missing\">不足：{}</p>\n",
            escaped(&words.join("、"))
        )
    }
}

fn missing_word(code: &str) -> &str {
    match code {
        "filer" => "届出者の情報",
        "particulars" => "署名検証者の情報",
        "members" => "構成員",
        "delegation_contract" => "全部委託契約",
        "disqualification_check" => "欠格事由の確認",
        other => other,
    }
}

const STYLE: &str = "@page{size:A4;margin:20mm}body{font-family:'Noto Sans JP','Hiragino Sans',sans-serif;font-size:10.5pt;line-height:1.6;color:#000;background:#fff;max-width:170mm;margin:10mm auto}\
h1{font-size:16pt;text-align:center}h2{font-size:12pt}.date{text-align:right}table{border-collapse:collapse;width:100%}\
th,td{border:1px solid #000;padding:2mm 3mm;text-align:left;vertical-align:top}th[scope=row]{width:55mm;font-weight:normal}\
tr{break-inside:avoid}.missing{border:2px solid #000;padding:2mm 3mm;font-weight:bold}@media print{body{margin:0;max-width:none}}";

/// Text as text: whatever a name holds, it starts no element.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
